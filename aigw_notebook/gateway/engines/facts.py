"""The little that the local answerer knows by heart."""

from __future__ import annotations

__all__ = ["CAPITALS", "CITIES", "EXPLANATIONS", "FACTS", "JOKES", "POEM", "STORY"]

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

JOKES = (
    "Why did the socket go to the doctor? It could not close properly.",
    "I told my microphone a joke, and it gave me nothing but feedback.",
    "How does a deaf server answer? It just keeps saying two hundred, okay.",
    "A packet walks into a bar. The barkeeper says: we are still waiting for your brother, he left before you.",
)

POEM = (
    "A word went out along the wire,",
    "as light as ash above a fire;",
    "it crossed the room, it crossed the sea,",
    "and half a second brought it me.",
    "I had not finished what I'd say",
    "when someone's voice was on its way.",
)

EXPLANATIONS = (
    (
        ("a spoken turn", "realtime", "real time", "spoken turn", "voice conversation", "speech work"),
        (
            "A realtime conversation keeps one socket open, and everything goes through it in small pieces.",
            "Your voice is cut into chunks of some hundredths of a second, and each is sent as soon as it is there.",
            "On the other side somebody listens for a pause, because a pause is the only sign that your turn is over.",
            "Too short a pause, and you are interrupted in the middle of a thought.",
            "Too long a pause, and the conversation feels slow.",
            "When the turn is over, the model begins to write its answer, and does not wait until it knows the end.",
            "The first words are turned into sound while the later ones are still being chosen.",
            "So you hear the beginning after a few tenths of a second, although the whole takes much longer.",
            "The sound arrives faster than it can be played, and waits in a queue next to your loudspeaker.",
            "If you speak now, the queue is thrown away, and the model is told how much of it you have heard.",
            "It forgets the rest, as if it had never been said.",
            "Then it is your turn again, and everything begins anew.",
        ),
    ),
    (
        ("rainbow",),
        (
            "A rainbow needs sun behind you and rain in front of you.",
            "Light that enters a drop is bent, thrown back from its far side, and bent again on its way out.",
            "Each colour is bent by a slightly different amount, red the least and violet the most.",
            "So from each drop only one colour reaches your eye, and drops at different heights send different ones.",
            "All drops at the same angle from the point opposite the sun send the same colour, and they form a circle.",
            "The ground hides its lower half, which is why you see an arch.",
        ),
    ),
    (
        ("tide",),
        (
            "The moon pulls on the sea, and more strongly on the side that is nearer to it.",
            "There the water rises, and it rises on the far side too, where the pull is weakest.",
            "The earth turns under these two hills of water, so most coasts have two high tides in a day.",
            "When sun and moon pull along one line, the tides are especially high.",
        ),
    ),
    (
        ("seasons", "why is it colder in winter", "summer and winter"),
        (
            "The axis of the earth is tilted, and keeps its direction all the way round the sun.",
            "In June the northern half leans towards the sun, in December away from it.",
            "Leaning towards it means longer days and a higher sun, and so more warmth on every square metre.",
            "The distance to the sun matters little: in January the earth is even a bit nearer.",
        ),
    ),
    (
        ("websocket", "web socket"),
        (
            "A WebSocket begins as an ordinary web request that asks to be upgraded.",
            "If the server agrees, the connection stays open, and from then on both sides may speak at any time.",
            "What they send are frames: text or bytes, each with its length in front.",
            "Short control frames ask whether the other side is still there, and say goodbye with a code and a reason.",
            "That suits speech well, where both sides talk in small pieces and nobody wants to ask for each of them.",
        ),
    ),
)
"""(one of these must occur, the sentences)."""
