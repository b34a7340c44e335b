"""Work split into independent calls: in this process, or on Dask's workers here and elsewhere."""

from vedette.jobs.cluster import open_jobs
from vedette.jobs.split import HERE, Here, Jobs

__all__ = ["HERE", "Here", "Jobs", "open_jobs"]
