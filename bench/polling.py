"""The published workflows as a plain runtime performs them: one call after the other, and reads until a criterion holds.

For comparison only. A `goto` names no pause, so one that follows the document to the letter has none but the API's own time.
"""

import asyncio
from collections.abc import Sequence

import httpx2

from reactor.emulator import EmulatorSettings

SETTINGS = EmulatorSettings()


async def poll_volumes(url: str, names: Sequence[str], *, answer: float, pause: float) -> list[str]:
    """Document 000 for each name at once; `answer` and `pause` are the seconds a reply takes and between two reads."""
    headers = {"Authorization": f"Bearer {SETTINGS.api_key}"}
    async with httpx2.AsyncClient(base_url=f"{url}/api", headers=headers, timeout=60.0) as http:
        return await asyncio.gather(*(_volume(http, name, answer, pause) for name in names))


async def _volume(http: httpx2.AsyncClient, name: str, answer: float, pause: float) -> str:
    volume = (await http.post("/volumes", json={"name": name})).raise_for_status().json()
    while volume["state"] not in ("ready", "error"):
        await asyncio.sleep(answer + pause)
        volume = (await http.get(f"/volumes/{volume['id']}")).raise_for_status().json()
    mount = {"volumeId": volume["id"], "mountPath": "/data"}
    made = await http.post("/sandbox", json={"snapshot": "base", "volumes": [mount]})
    return "succeeded" if made.is_success else "failed"


async def poll_devbox(url: str) -> str:
    """Document 001 as far as its long poll: any answer but 200 fails the step, which has no failure action."""
    headers = {"Authorization": f"Bearer {SETTINGS.runloop_api_key}"}
    async with httpx2.AsyncClient(base_url=f"{url}/runloop", headers=headers, timeout=60.0) as http:
        devbox = (await http.post("/v1/devboxes", json={})).raise_for_status().json()
        asked = {"statuses": ["running"], "timeout_seconds": 30}
        status = (await http.post(f"/v1/devboxes/{devbox['id']}/wait_for_status", json=asked)).status_code
        return "went on" if status == 200 else f"failed: status {status}"
