"""Tools on the Gemini Live emulator: who waits for a result, what an interruption takes back, what changes."""

from __future__ import annotations

from typing import Any

import pytest

from aigw_notebook.gateway.engines.base import Reply, ToolRequest
from tests.gateway.emulators.google_driver import MODEL, SLOW, Client, engines, heard, kinds, started, words_of

ADD = {
    "name": "add",
    "description": "Add two numbers.",
    "parameters": {
        "type": "OBJECT",
        "properties": {"the_first": {"type": "INTEGER"}, "the_second": {"type": "INTEGER"}},
        "required": ["the_first", "the_second"],
    },
}


def tools(**extra: Any) -> dict[str, Any]:
    return {"tools": [{"functionDeclarations": [{**ADD, **extra}]}]}


def called(client: Client) -> list[dict[str, Any]]:
    """The calls of the tool call that arrives; takes everything."""
    (message,) = (m for m in heard(client) if "toolCall" in m)
    calls: list[dict[str, Any]] = message["toolCall"]["functionCalls"]
    return calls


def respond(client: Client, *results: dict[str, Any]) -> None:
    client.send(toolResponse={"functionResponses": list(results)})


def test_a_blocking_call_waits_for_its_result() -> None:
    client = started(tools(behavior="BLOCKING"))
    client.say("Add 4 and 5")
    messages = heard(client)
    assert kinds(messages) == ["toolCall"] and messages[0]["usageMetadata"]["promptTokenCount"] > 0
    (call,) = messages[0]["toolCall"]["functionCalls"]
    assert (call["name"], call["args"]) == ("add", {"the_first": 4, "the_second": 5})
    client.wait(60_000)
    assert client.take() == []
    client.send(tool_response={"function_responses": [{"id": call["id"], "name": "add", "response": {"the_sum": 9}}]})
    messages = heard(client)
    assert kinds(messages) == ["answer", "generationComplete", "turnComplete"] and "the sum is 9" in words_of(messages)


@pytest.mark.parametrize("model", ["gemini-2.5-flash-native-audio-preview-12-2025", "gemini-3.1-flash-live-preview"])
def test_older_models_wait_by_themselves(model: str) -> None:
    client = started({"model": f"models/{model}", **tools()})
    client.say("Add 4 and 5")
    assert kinds(heard(client)) == ["toolCall"]


@pytest.mark.parametrize("place", ["beside", "inside"])
def test_a_result_that_is_not_to_be_spoken_of(place: str) -> None:
    client = started(tools())
    client.say("Add 4 and 5")
    (call,) = called(client)
    silent = {"scheduling": "SILENT"}
    response = {"output": 9, **(silent if place == "inside" else {})}
    respond(client, {"id": call["id"], "response": response, **(silent if place == "beside" else {})})
    assert heard(client) == []


def test_a_result_that_interrupts_and_one_that_waits() -> None:
    for scheduling, expected in (("INTERRUPT", ["interrupted", "turnComplete"]), ("WHEN_IDLE", [])):
        client = started(tools(), pace=SLOW)
        client.say("Add 4 and 5")
        client.wait(100)
        (call,) = called(client)
        client.realtime(text="Tell me a story")
        client.wait(2_500)
        assert kinds(client.take()) == ["answer"]
        respond(client, {"id": call["id"], "response": {"output": 9}, "scheduling": scheduling})
        assert kinds(client.take()) == expected
        client.wait(500_000)
        assert "9" in words_of(client.take())


def test_results_that_come_one_by_one() -> None:
    replies = [Reply(tools=tuple(ToolRequest(name="add", arguments={}) for _ in range(2))), Reply(text="Done.")]
    client = started(tools(behavior="BLOCKING"), engines=engines(replies))
    client.say("Add twice")
    first, second = called(client)
    respond(client, {"id": first["id"], "response": {"output": 1}, "willContinue": True})
    respond(client, {"id": first["id"], "response": {"output": 2}})
    assert heard(client) == []
    respond(client, {"id": second["id"], "response": {"error": "no"}})
    assert words_of(heard(client)) == "Done."


def test_an_interruption_takes_calls_back_and_late_results_are_ignored() -> None:
    client = started(tools(behavior="BLOCKING"))
    client.say("Add 4 and 5")
    (call,) = called(client)
    client.send(clientContent={"turnComplete": False})
    messages = heard(client)
    assert kinds(messages) == ["toolCallCancellation", "interrupted", "turnComplete"]
    assert messages[0]["toolCallCancellation"]["ids"] == [call["id"]]
    respond(client, {"id": call["id"], "response": {"output": 9}})
    assert heard(client) == []


def test_instructions_and_tools_change_in_an_open_session() -> None:
    client = started()
    system = {"parts": [{"text": "Use capital letters."}]}
    client.send(contextUpdate={"systemInstruction": system, "tools": tools(behavior="BLOCKING")})
    client.say("Say hello")
    assert words_of(heard(client)) == "HELLO"
    client.say("Add 4 and 5")
    (call,) = called(client)
    respond(client, {"id": call["id"], "response": {"output": 9}})
    client.send(contextUpdate={"tools": {"tools": []}})
    client.take()
    client.say("Add 4 and 5")
    assert "toolCall" not in kinds(heard(client))


def test_a_thinking_model_says_whether_more_follows() -> None:
    client = started({"model": f"{MODEL}-extended-thinking", **tools()})
    client.say("Add 4 and 5")
    messages = heard(client)
    assert kinds(messages) == ["toolCall", "generationComplete", "turnComplete"]
    assert messages[-1]["serverContent"]["interactionStatus"] == "IN_PROGRESS"
    call_id = messages[0]["toolCall"]["functionCalls"][0]["id"]
    respond(client, {"id": call_id, "response": {"output": 9}})
    assert heard(client)[-1]["serverContent"] == {"turnComplete": True, "interactionStatus": "IDLE"}
