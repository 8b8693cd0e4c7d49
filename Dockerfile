# One image for every process; which one it is, the command says (docker-compose.yml, or your platform's Procfile).
ARG PYTHON_VERSION=3.11

FROM python:${PYTHON_VERSION}-slim-bookworm AS build
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir uv
WORKDIR /app
# The locked packages first: this layer is built again only when the lock file changes.
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-default-groups --no-install-project
COPY . .
RUN uv sync --frozen --no-default-groups

FROM python:${PYTHON_VERSION}-slim-bookworm
# No shell, no home, no password; the number is fixed so that volumes and policies can name it.
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin redrive
WORKDIR /app
COPY --from=build /app /app
# Beat remembers its last runs here; everything else is in PostgreSQL, so losing it costs nothing.
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    REDRIVE_ENV=production \
    BEAT_SCHEDULE_FILE=/tmp/celerybeat-schedule
USER redrive
EXPOSE 8000
STOPSIGNAL SIGTERM
# For the default command; docker-compose.yml has one for each process.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ.get('PORT', '8000')}/healthz\", timeout=4)"]
CMD ["/bin/sh", "-c", "exec env granian --interface wsgi wsgi:app --host ${BIND_HOST:-0.0.0.0} --port ${PORT:-8000} --workers ${WEB_CONCURRENCY:-2} --blocking-threads 16 --backlog 2048 --no-ws --respawn-failed-workers --respawn-interval 0.5 --workers-kill-timeout 25"]
