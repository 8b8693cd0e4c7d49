"""The promises of this project, as tests."""
