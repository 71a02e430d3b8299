from __future__ import annotations

import asyncio

from tests.app import Gate, create_app

app = create_app(protect=["/api/*"])
gate: Gate = app.state.gate


@app.post("/plain/open")
async def open_gate() -> None:
    gate.open.set()


@app.get("/plain/ended")
async def ended() -> dict[str, bool]:
    return {"ended": await asyncio.to_thread(gate.ended.wait, 5)}
