"""Small objects in scenes of any size: detectors for any bands, by windows, with the place on Earth kept."""
