"""The little that the rule-based responder knows by heart."""

from __future__ import annotations

__all__ = ["CAPITALS", "CITIES", "FACTS", "STORY"]

CAPITALS = {
    "argentina": "Buenos Aires",
    "australia": "Canberra",
    "austria": "Vienna",
    "belgium": "Brussels",
    "brazil": "Brasília",
    "canada": "Ottawa",
    "chile": "Santiago",
    "china": "Beijing",
    "colombia": "Bogotá",
    "croatia": "Zagreb",
    "czechia": "Prague",
    "denmark": "Copenhagen",
    "egypt": "Cairo",
    "england": "London",
    "finland": "Helsinki",
    "france": "Paris",
    "germany": "Berlin",
    "greece": "Athens",
    "hungary": "Budapest",
    "iceland": "Reykjavík",
    "india": "New Delhi",
    "indonesia": "Jakarta",
    "ireland": "Dublin",
    "italy": "Rome",
    "japan": "Tokyo",
    "kenya": "Nairobi",
    "mexico": "Mexico City",
    "morocco": "Rabat",
    "netherlands": "Amsterdam",
    "new zealand": "Wellington",
    "norway": "Oslo",
    "peru": "Lima",
    "poland": "Warsaw",
    "portugal": "Lisbon",
    "romania": "Bucharest",
    "scotland": "Edinburgh",
    "south korea": "Seoul",
    "spain": "Madrid",
    "sweden": "Stockholm",
    "switzerland": "Bern",
    "thailand": "Bangkok",
    "turkey": "Ankara",
    "ukraine": "Kyiv",
    "united kingdom": "London",
    "united states": "Washington, D.C.",
    "vietnam": "Hanoi",
}

CITIES = {
    "lisbon": "Visit it for the light on the river Tagus, the steep tiled streets of Alfama, and a ride on tram 28. "
    "The custard tarts of Belém are best while they are warm. In the evening somebody will be singing fado nearby.",
    "paris": "Visit it for the museums along the Seine, small bakeries, and a slow walk across its bridges at dusk.",
    "rome": "Visit it because two thousand years lie beside each other in one afternoon's walk, with ice cream.",
    "madrid": "Visit it for the Prado, the long evenings, and the tapas bars around La Latina.",
    "tokyo": "Visit it for quiet shrines beside bright crossings, and for some of the best small restaurants anywhere.",
    "london": "Visit it for museums that cost nothing, parks you can get lost in, and theatre every night.",
    "berlin": "Visit it for its lakes, its music, and a history that is told in the open.",
    "vienna": "Visit it for its coffee houses, its concert halls, and the palaces you can walk to.",
    "athens": "Visit it for the Acropolis in the early morning and the sea an hour later.",
}
"""Why to visit; every text stands on its own after "The capital of … is …."."""

FACTS = (
    (("largest", "planet"), "The largest planet of the solar system is Jupiter."),
    (("biggest", "planet"), "The largest planet of the solar system is Jupiter."),
    (("speed", "light"), "Light travels 299,792,458 metres a second in a vacuum."),
    (("water", "boil"), "At sea level water boils at 100 degrees Celsius."),
    (("water", "freeze"), "At sea level water freezes at 0 degrees Celsius."),
    (("sky", "blue"), "The sky is blue because air scatters short, blue waves of sunlight more than long, red ones."),
    (("wrote", "hamlet"), "William Shakespeare wrote Hamlet."),
    (("days", "year"), "A year has 365 days, a leap year 366."),
    (("highest", "mountain"), "The highest mountain above sea level is Mount Everest, 8,849 metres."),
    (("longest", "river"), "The Nile and the Amazon are about equally long, near 6,600 kilometres."),
    (("value", "pi"), "Pi is about 3.14159."),
    (("realtime", "api"), "A realtime API keeps one WebSocket open and sends text and audio as they are made."),
    (
        ("barge", "in"),
        "Barge-in means that the user may speak while the answer is still playing, and the answer stops.",
    ),
)
"""(all these words must occur, the sentence)."""

STORY = (
    "Once upon a time {subject} lived beside a lighthouse at the end of a long, windy pier.",
    "Every evening the light swept over the water and counted the boats that came home.",
    "One night the lamp went dark, and the sea was suddenly very large.",
    "Nobody in the village dared to climb the three hundred steps in the storm.",
    "So {subject} took a small lantern, a piece of rope and a great deal of patience, and went up one step at a time.",
    "At the top a moth had settled on the switch and fallen asleep.",
    "It was carried gently aside, the light came back, and one after another the boats found the harbour.",
    "Since then the moth has had a lantern of its own, and the lighthouse has never slept again.",
)
