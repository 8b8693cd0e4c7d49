"""HOW: every Celery option that Redrive sets, each with its reason (defaults are not repeated)."""

from __future__ import annotations

import ssl
from datetime import timedelta
from urllib.parse import urlsplit

from kombu import Queue

from beat_schedule import schedule_for
from settings import get_settings

_settings = get_settings()

# --- the broker: only a doorbell, so everything here is about noticing trouble quickly -----------------------------------------
broker_url = _settings.redis_url
if urlsplit(broker_url).scheme == "rediss":
    broker_use_ssl = {"ssl_cert_reqs": ssl.CERT_NONE}  # Heroku's Redis signs its own certificate
broker_transport_options = {
    "visibility_timeout": _settings.visibility_timeout_seconds,  # a dead worker's messages come back after this, not after an hour
    "unacked_restore_interval": 5,  # look for them every 5 s; with the throttle the default is every 100 s
    "unacked_restore_throttle": 1,
    "unacked_mutex_expire": 30,  # a worker killed while it looks would block the others for 300 s by default
    "socket_timeout": 5,  # the default waits for ever on a hung Redis; must exceed the 1 s BRPOP
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    "health_check_interval": 10,  # finds a half-open connection in about 21 s
    "retry_on_timeout": False,  # would replay writes that may have arrived
    "queue_order_strategy": "round_robin",  # each lane its fair share
}
broker_connection_retry_on_startup = True  # a worker may boot before Redis
broker_connection_max_retries = None  # never give up on Redis: by default the worker ends after 100 tries
broker_connection_timeout = 3
task_publish_retry_policy = {"max_retries": 2, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.2}  # the sweep covers the rest

# --- lanes: one queue for each kind of work, so that a backlog in one does not starve the others -------------------------------
task_queues = (Queue("webhooks"), Queue("emails"), Queue("batches"), Queue("sweeps"), Queue("celery"))
task_routes = {  # the tasks' own ``queue`` is deprecated
    "tasks.process_*_webhook": "webhooks",
    "tasks.send_*email": "emails",
    "tasks.send_email_batch": "batches",
    "tasks.send_waiting_emails": "batches",
    "tasks.sweep_reminder_source": "sweeps",
}
task_default_queue = "celery"
task_create_missing_queues = True

# --- delivery: a message may be lost or doubled, the row decides ---------------------------------------------------------------
task_acks_late = True  # the message of a killed worker comes back
task_reject_on_worker_lost = True
task_retry_on_worker_lost = True  # counts against max_retries, so that a task that kills its worker cannot loop for ever
worker_prefetch_multiplier = 1  # no faster with more (measured), and fewer messages to put back
worker_cancel_long_running_tasks_on_connection_loss = False  # the claim makes the second run harmless; killing the first would not be
task_ignore_result = True  # the state lives in PostgreSQL; results would double the cost of a task
task_serializer = "json"
accept_content = ["json"]
result_accept_content = ["json"]

# --- limits: below the lease (45 s), so that a live attempt never outlasts its claim -------------------------------------------
task_soft_time_limit = 25
task_time_limit = 35
worker_soft_shutdown_timeout = 20  # after SIGTERM (remapped to SIGQUIT): 20 s to finish + 3.5 s to leave < the platform's 30 s
worker_enable_soft_shutdown_on_idle = False  # would sleep 20 s for nothing; prefetched messages are put back anyway
worker_max_tasks_per_child = 10_000  # a slow leak in a library ends here

# --- what people see -----------------------------------------------------------------------------------------------------------
worker_send_task_events = _settings.worker_task_events  # Flower needs them; +0.7 ms of the worker's CPU per task
task_send_sent_event = False
worker_hijack_root_logger = False  # logs are structured by Redrive itself
worker_redirect_stdouts = False

# --- beat ----------------------------------------------------------------------------------------------------------------------
beat_schedule = schedule_for(sweep_every=timedelta(seconds=_settings.sweep_seconds))
beat_scheduler = "tasks.worker.leader_beat:LeaderScheduler"
beat_max_loop_interval = 5  # standby, takeover and shutdown react within this
beat_enable_remote_control = True  # `celery inspect ping -d celerybeat@host` is its liveness probe
timezone = "UTC"  # a local zone skips half-hourly runs in the night when clocks change
enable_utc = True

# --- the parts of Celery that Redrive hardens ----------------------------------------------------------------------------------
worker_consumer = "tasks.worker.consumer:DeadLetterConsumer"
