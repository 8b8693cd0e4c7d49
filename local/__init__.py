"""A platform on one machine: real PostgreSQL and Redis servers, and the Procfile's processes under one supervisor."""
