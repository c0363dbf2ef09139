"""Drawing the puppet world: people, props, places, poses, frames and video."""
