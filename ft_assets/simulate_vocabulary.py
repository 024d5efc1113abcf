"""The words of the simulated shop: its categories, what its products are like, and how people ask for them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Category:
    """A kind of product.

    Attributes:
        nouns: what people call it; the first is the shop's own word.
        looks: adjectives that a product has one of, said before the noun.
        traits: adjectives that a product has one of, said before the looks.
        uses: whom or what it is for, said after the noun.
        sentences: descriptions; a product gets two.
        care: what a second part of the product page says.
    """

    nouns: tuple[str, ...]
    looks: tuple[str, ...]
    traits: tuple[str, ...]
    uses: tuple[str, ...]
    sentences: tuple[str, ...]
    care: str


BRANDS = (
    "Northfell", "Calder & Lowe", "Brightwater", "Hollin", "Marlowe", "Tern", "Aster", "Kestrel", "Oakhanger",
    "Pellworth", "Sorrel", "Vantry", "Windle", "Yarrow", "Ferngate", "Lumen",
)  # fmt: skip
MODELS = (
    "Ridge", "Harbour", "Meadow", "Drift", "Summit", "Alder", "Cove", "Ember", "Fable", "Glide", "Haven", "Juniper",
    "Lark", "Mistral", "Orbit", "Pioneer", "Quill", "Rook", "Solace", "Tempo",
)  # fmt: skip

REVIEWS = (
    "Bought it for a long trip and it has not let me down.",
    "Better made than the one it replaced, and quieter too.",
    "Looks just like the pictures; arrived in two days.",
    "Does what it says. The instructions could be clearer.",
    "My second one: the first went to my sister.",
)

ELSEWHERE = (
    "wedding dress", "garden gnome", "car insurance", "used piano", "gift card balance", "snow chains 17 inch",
    "aquarium heater", "concert tickets",
)  # fmt: skip
"""Queries for what the shop does not sell."""

CATEGORIES = (
    Category(
        ("hiking boots", "walking boots", "trail boots"),
        ("brown leather", "grey suede", "black", "olive green"),
        ("waterproof", "lightweight", "insulated", "wide fit"),
        ("for women", "for men", "for kids"),
        ("A grippy outsole and a padded collar for long days on the trail.",
         "The tongue is sewn in, so grit stays outside.",
         "A stiff shank protects the foot on scree."),
        "Brush off dry mud and wax the upper twice a season.",
    ),
    Category(
        ("running shoes", "trainers", "jogging shoes"),
        ("red", "white", "blue", "black"),
        ("cushioned", "stability", "lightweight", "carbon plate"),
        ("for women", "for men", "for kids"),
        ("Springy foam returns energy with every stride.",
         "The knitted upper breathes on warm evenings.",
         "A rubber heel lasts hundreds of kilometres."),
        "Wash by hand in cold water; do not tumble dry.",
    ),
    Category(
        ("rain jacket", "raincoat", "waterproof jacket"),
        ("yellow", "navy", "dark green", "black"),
        ("packable", "breathable", "lined", "seam sealed"),
        ("for women", "for men", "for cycling"),
        ("Taped seams and a peaked hood keep out steady rain.",
         "Folds into its own pocket, no bigger than an apple.",
         "Vents under the arms let heat out on climbs."),
        "Wash at 30 degrees without softener, then tumble warm to renew the coating.",
    ),
    Category(
        ("backpack", "rucksack", "daypack"),
        ("grey", "orange", "black", "canvas"),
        ("20 litre", "35 litre", "50 litre", "anti-theft"),
        ("for school", "for travel", "for camping"),
        ("A ventilated back panel and a hip belt carry the load.",
         "The laptop sleeve is padded on all sides.",
         "Side pockets take a full-size bottle."),
        "Sponge clean; keep away from direct heat.",
    ),
    Category(
        ("tent", "camping tent", "dome tent"),
        ("green", "sand", "orange", "blue"),
        ("two person", "four person", "ultralight", "pop up"),
        ("for festivals", "for backpacking", "for families"),
        ("Colour-coded poles go up in five minutes.",
         "Two doors and two porches, so nobody climbs over anybody.",
         "The fly stands up to a summer storm."),
        "Dry completely before packing away.",
    ),
    Category(
        ("headphones", "earphones", "headset"),
        ("black", "white", "rose gold", "blue"),
        ("noise cancelling", "wireless", "wired", "open back"),
        ("for gaming", "for travel", "for studio work"),
        ("Balanced sound with a bass that does not boom.",
         "Memory-foam pads stay comfortable all day.",
         "Up to thirty hours between charges."),
        "Wipe the pads with a dry cloth; replacements are sold separately.",
    ),
    Category(
        ("laptop", "notebook computer", "ultrabook"),
        ("silver", "space grey", "black", "white"),
        ("13 inch", "15 inch", "touchscreen", "refurbished"),
        ("for students", "for gaming", "for video editing"),
        ("A bright matte screen that works beside a window.",
         "Two USB-C ports, one HDMI, and a proper headphone socket.",
         "The battery sees out a working day."),
        "Keep the vents clear and update the firmware before first use.",
    ),
    Category(
        ("phone charger", "usb charger", "charging plug"),
        ("white", "black", "compact", "foldable"),
        ("fast", "usb-c", "wireless", "dual port"),
        ("for iphone", "for android", "for the car"),
        ("Charges half a battery in thirty minutes.",
         "Stays cool and switches itself off when the battery is full.",
         "The plug folds flat for a pocket."),
        "Use with certified cables only.",
    ),
    Category(
        ("coffee maker", "coffee machine", "espresso machine"),
        ("stainless steel", "black", "cream", "red"),
        ("automatic", "manual", "compact", "programmable"),
        ("for the office", "for two cups", "for camping"),
        ("Heats in half a minute and holds a steady pressure.",
         "The grinder has twelve settings, from Turkish to French press.",
         "The jug keeps coffee hot without stewing it."),
        "Descale every two months.",
    ),
    Category(
        ("frying pan", "skillet", "saute pan"),
        ("cast iron", "copper", "ceramic", "stainless steel"),
        ("non-stick", "24 cm", "28 cm", "oven safe"),
        ("for induction", "for gas hobs", "for eggs"),
        ("Heats evenly to the edge and pours without dripping.",
         "The riveted handle stays cool on the hob.",
         "Browns well with little oil."),
        "Hand wash and dry at once.",
    ),
    Category(
        ("desk lamp", "table lamp", "reading light"),
        ("brass", "matte black", "white", "oak"),
        ("led", "dimmable", "clamp", "rechargeable"),
        ("for the bedside", "for studying", "for sewing"),
        ("The arm stays where it is put.",
         "Three tones of white, from candle to daylight.",
         "No flicker, and no glare on glossy paper."),
        "The bulb is built in and lasts about twenty years.",
    ),
    Category(
        ("office chair", "desk chair", "computer chair"),
        ("grey mesh", "black leather", "green fabric", "white"),
        ("ergonomic", "reclining", "armless", "heavy duty"),
        ("for tall people", "for back pain", "for small rooms"),
        ("Lumbar support that moves up and down with you.",
         "Quiet castors for wooden floors.",
         "The seat slides forward for long legs."),
        "Tighten all bolts after the first month.",
    ),
    Category(
        ("yoga mat", "exercise mat", "gym mat"),
        ("purple", "teal", "natural cork", "charcoal"),
        ("extra thick", "non-slip", "travel", "natural rubber"),
        ("for hot yoga", "for pilates", "for beginners"),
        ("Grips the floor, and the hands, even when damp.",
         "Alignment marks help with the standing poses.",
         "Rolls up tight; the strap is included."),
        "Wipe with mild soap and hang up to dry.",
    ),
    Category(
        ("board game", "family game", "party game"),
        ("cooperative", "strategy", "card", "word"),
        ("two player", "quick", "award winning", "wooden"),
        ("for adults", "for children", "for long evenings"),
        ("The rules fit on one page.",
         "A game takes half an hour and is never decided early.",
         "Painted pieces and a board that lies flat."),
        "Contains small parts.",
    ),
)  # fmt: skip
