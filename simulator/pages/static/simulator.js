// Shows times in the reader's own zone, and lets new mails appear by themselves.
"use strict";

function showLocalTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const at = new Date(element.getAttribute("datetime"));
    const today = at.toDateString() === new Date().toDateString();
    const clock = { hour: "2-digit", minute: "2-digit" };
    const long = { dateStyle: "medium", timeStyle: "medium" };
    element.textContent = "long" in element.dataset
      ? at.toLocaleString(undefined, long)
      : today ? at.toLocaleTimeString(undefined, clock) : at.toLocaleDateString(undefined, { month: "short", day: "numeric" });
    element.title = at.toLocaleString();
  }
}

async function refresh(list) {
  const query = new URLSearchParams({ q: list.dataset.search, chosen: list.dataset.chosen });
  const answer = await fetch(`/inbox/list?${query}`);
  if (!answer.ok) return;
  list.innerHTML = await answer.text();
  showLocalTimes(list);
}

showLocalTimes(document);
const list = document.getElementById("mails");
if (list) {
  const changes = new EventSource("/inbox/changes");
  changes.onmessage = () => refresh(list);
  window.addEventListener("pagehide", () => changes.close());
}
