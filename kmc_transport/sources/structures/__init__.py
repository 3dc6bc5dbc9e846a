"""Crystal structures of any code and format."""
