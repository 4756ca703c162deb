"""What people see: console, explain, suggestions."""
