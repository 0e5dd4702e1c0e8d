"""The media of the sample room: images, a video and audio, drawn or synthesised by code, and their catalogue."""
