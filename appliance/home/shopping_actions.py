"""What the intents about the shopping list do. The list holds words of a closed set, so nothing private is in it."""

from typing import Final

from appliance.home.turn import Done, KeepShopping, Turn

LIMIT: Final = 100
"""Items on the list; read aloud, that takes more than a minute."""


def shopping_add(turn: Turn) -> Done:
    """Slot: `item`."""
    item, items = _item(turn), turn.situation.shopping
    if item in items:
        return turn.says("shopping_there_already", item=item)
    if len(items) >= LIMIT:
        return turn.regrets("shopping_full", f"{LIMIT} items", count=turn.phrases.count(LIMIT))
    return turn.says("shopping_added", KeepShopping((*items, item)), item=item)


def shopping_remove(turn: Turn) -> Done:
    """Slot: `item`."""
    item, items = _item(turn), turn.situation.shopping
    if item not in items:
        return turn.says("shopping_not_there", item=item)
    return turn.says("shopping_removed", KeepShopping(tuple(other for other in items if other != item)), item=item)


def shopping_has(turn: Turn) -> Done:
    """Slot: `item`."""
    item = _item(turn)
    return turn.says("shopping_there" if item in turn.situation.shopping else "shopping_not_there", item=item)


def shopping_read(turn: Turn) -> Done:
    """The whole list, in the order in which it was told."""
    items = turn.situation.shopping
    return turn.says("shopping_items", items=turn.phrases.listing(items)) if items else turn.says("shopping_empty")


def shopping_clear(turn: Turn) -> Done:
    """Everything off."""
    items = turn.situation.shopping
    if not items:
        return turn.says("shopping_empty")
    return turn.says("shopping_cleared", KeepShopping(()), count=turn.phrases.count(len(items)))


def _item(turn: Turn) -> str:
    return turn.text("item") or ""
