"""Roles of lines and kinds of page, as the models know them; `ROLES.md` of the labels explains them."""

ROLE_OF_LETTER = {
    "t": "title",
    "h": "heading",
    "p": "prose",
    "f": "fact",
    "a": "caption",
    "m": "byline",
    "q": "post",
    "x": "post_furniture",
    "r": "other_item",
    "n": "navigation",
    "l": "notice",
}
ROLES = tuple(ROLE_OF_LETTER.values())
STAYING = ("title", "heading", "prose", "fact")
GOING = ("post_furniture", "other_item", "navigation", "notice")
PAGE_TYPES = ("article", "blog", "listing", "forum", "service", "product", "documentation", "other")
