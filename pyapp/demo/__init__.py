"""What the demo pages share: signing in, reading a room, drawing it, and the measures beside it."""
