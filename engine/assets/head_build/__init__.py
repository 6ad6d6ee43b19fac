"""Builds the face model asset from CC0 data; run by `engine.assets.build_head`."""
