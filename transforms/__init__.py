"""What is done to text: pure functions, frames in and frames out."""
