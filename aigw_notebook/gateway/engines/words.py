"""Text as the local answerer compares it: the words of a written or a recognised sentence, stemmed, with concepts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

__all__ = ["STOP_WORDS", "concepts", "content_words", "plain", "stem", "stems"]

MAX_WORDS, MAX_CHARS = 60, 1_000
"""So much of a text is looked at, from its beginning and its end."""

_SLIPS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(rf"\b(?:{heard})\b"), meant)
    for heard, meant in (
        (r"(?:a\.? i\.?|aye|eye|hey i|a eye|ay|hay) gate ?way", "ai gateway"),
        (r"gate way", "gateway"),
        (r"web sockets?", "websocket"),
        (r"data frames?|date a frame|dater frame|day(?:ta)? (?:to|too|two|a) frames?", "dataframe"),
        (r"note books?", "notebook"),
        (r"barge(?:[- ]?in| and)?|barging in|bargain in|bart in", "bargein"),
        (r"a\.? p\.? i\.?|a pie|ape eye", "api"),
        (r"jason|jay son", "json"),
        (r"c\.? s\.? v\.?|see s v", "csv"),
        (r"wave file|wav file|dot wave?", "wav file"),
        (r"a ?sync|a sink", "async"),
        (r"a ?wait", "await"),
        (r"micro phone", "microphone"),
        (r"tool kit", "toolkit"),
        (r"time out", "timeout"),
        (r"out loud|a loud", "aloud"),
        (r"hang(?:ing)? up", "hangup"),
        (r"sign(?:ing)? up", "register"),
        (r"log(?:ging)? off|log(?:ging)? out", "disconnect"),
        (r"shut(?:ting)? up|be quiet", "stop"),
        (r"up ?load", "upload"),
        (r"down ?load", "download"),
        (r"screen shot", "screenshot"),
        (r"late and see|laten see", "latency"),
        (r"trans script|trance script", "transcript"),
        (r"pan dust|pan das", "pandas"),
    )
)
"""How recognisers and hurried fingers write a term → the term."""

_SMALL = (
    "a about all also am an and any anything are as at be been but by can cannot could did do does doing dont else "
    "for from get gets getting go goes going got had has have having hello help here hey hi how i if im in into is "
    "isnt it its just kind let like make makes many may me mean means might much must my need needs no not now of off "
    "ok okay on one or our out please really s same shall she should so some somehow something sort still such t tell "
    "than thanks that the their them then there these they thing things this those to too up us use used uses using "
    "very want wants was way we well were what whats when where which while who why will with would you your yours"
)
STOP_WORDS = frozenset(_SMALL.split())
"""Words that say little about what is meant."""

_ENDINGS = ("ations", "ation", "ings", "ing", "ies", "ied", "ers", "er", "ed", "es", "ly", "s", "e")

_CONCEPTS: Mapping[str, str] = {
    "begin": "begin beginner commence first initial intro introduction kick launch novice quickstart start "
    "started tutorial",
    "stop": "abort cancel cease cut cutoff enough halt interrupt kill mute quiet shush silence stop",
    "close": "bye close disconnect end exit finish hangup leave quit shutdown terminate",
    "image": "diagram figure graphic image jpeg jpg photo photograph pic picture png screenshot vision visual see look",
    "sound": "audio clip mp3 recording sound speech spoken voice wav waveform",
    "microphone": "headset mic microphone",
    "money": "bill billing budget charge cost dollar expensive fee free invoice money pay payment price pricing spend",
    "wait": "delay fast lag latency measure milliseconds millisecond quick slow speed timing wait",
    "secret": "confidential credential data leak password personal privacy private secret secure security sensitive "
    "stored store safe snoop",
    "save": "archive backup disk download dump export keep persist preserve save store write",
    "table": "dataframe pandas polars record row spreadsheet table column csv excel",
    "words": "chat conversation dialogue history log said text transcript words",
    "key": "account credential key login password register signup subscription token",
    "provider": "backend company provider service vendor supplier",
    "model": "llm model",
    "speaker": "accent female male speaker tone voice",
    "behave": "behave behaviour behavior instruct instruction persona personality prompt role style",
    "function": "callback function python tool method code",
    "listen": "dictate dictation recognise recognition recognize transcribe transcription subtitle caption asr stt",
    "aloud": "aloud narrate narration pronounce read recite speak synthesis synthesize tts utter",
    "talk": "say speak talk utter",
    "async": "async asynchronous asyncio await concurrent coroutine event loop parallel",
    "pause": "detect detection finish done pause silence turn vad",
    "error": "broken bug crash error exception fail failure problem trouble wrong",
    "send": "attach feed give pass send show submit supply upload",
    "offline": "airplane disconnected internet network offline online plane wifi",
    "own": "mine my own personal",
    "change": "alter change choose different modify other pick select set switch swap",
    "several": "both many multiple second several two",
    "again": "again back once repeat replay",
}  # fmt: skip


def plain(text: str) -> str:
    """`text` in lower case with the usual slips of recognisers put right."""
    text = text.lower().replace("’", "'").replace("'", "")
    for heard, meant in _SLIPS:
        text = heard.sub(meant, text)
    return text


@lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """The word without its ending: "recording" and "records" both give "record"."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls" else word


def stems(text: str) -> list[str]:
    """The stems of all words, in order; of a long text only those at its beginning and its end."""
    words = re.findall(r"[a-z0-9]+", plain(text[:MAX_CHARS] if len(text) <= MAX_CHARS else _ends(text)))
    half = MAX_WORDS // 2
    words = words if len(words) <= MAX_WORDS else [*words[:half], *words[-half:]]
    return [word if word in STOP_WORDS else stem(word) for word in words]


def _ends(text: str) -> str:
    half = MAX_CHARS // 2
    return f"{text[:half]} {text[-half:]}"


def content_words(words: Iterable[str]) -> list[str]:
    """Those of the stems that carry meaning."""
    return [word for word in words if word not in STOP_WORDS]


def _concept_table() -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    for concept, words in _CONCEPTS.items():
        for word in {stem(w) for w in words.split()}:
            table[word] = (*table.get(word, ()), concept)
    return table


_OF_STEM = _concept_table()


def concepts(word: str) -> tuple[str, ...]:
    """What a stem may stand for: "photo" and "screenshot" both mean an image."""
    return _OF_STEM.get(word, ())
