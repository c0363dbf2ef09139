"""Frame vectors: films, images, clips, frame folders and shards through a vision tower, here or on a cluster."""
