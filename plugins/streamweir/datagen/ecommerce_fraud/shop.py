"""Customers, products and categories."""

from dataclasses import dataclass

import numpy as np

from streamweir.datagen.draws import Floats, Ints, chance, pick, spread
from streamweir.datagen.ecommerce_fraud import words

CUSTOMERS = 5_000
PRODUCTS = 2_000
_LARGEST_CUSTOMER_ID = 100_000
_LARGEST_PRODUCT_ID = 60_000
_FIRST_CATEGORY_ID = 101
_FIRST_JOIN_DAY, _LAST_JOIN_DAY = 17_167, 19_660  # 2017-01-01 and 2023-10-30
_FIRST_BIRTHDAY, _LAST_BIRTHDAY = -5_844, 14_244  # 1954-01-01 and 2008-12-31
_NAMELESS = 0.004
_ACTIVITY = (0.1, 0.3, 0.5, 0.8, 1.2, 2.0, 3.5, 9.0)
_POPULARITY = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 4.0, 20.0)

Text = list[str]


@dataclass(frozen=True)
class Customers:
    """Customers as columns; days count from the epoch, places are in millionths of a degree."""

    ids: Ints
    female: Ints
    first: Ints
    last: Ints
    birthday: Ints
    join_day: Ints
    lat: Ints
    long: Ints
    activity: Floats

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Customers":
        """Draw the shop's customers."""
        city = pick(rng, [share for *_, share in words.CITIES], CUSTOMERS)
        return cls(
            ids=np.sort(rng.choice(_LARGEST_CUSTOMER_ID, CUSTOMERS, replace=False)) + 1,
            female=pick(rng, (36, 64), CUSTOMERS),
            first=rng.integers(len(words.FIRST_NAMES["F"]), size=CUSTOMERS),
            last=rng.integers(len(words.LAST_NAMES), size=CUSTOMERS),
            birthday=spread(rng, (_FIRST_BIRTHDAY, 5_500, 9_000, 11_500, _LAST_BIRTHDAY), CUSTOMERS).astype(
                int
            ),
            join_day=rng.integers(_FIRST_JOIN_DAY, _LAST_JOIN_DAY + 1, CUSTOMERS),
            lat=_near(rng, np.array([lat for _, lat, _, _ in words.CITIES])[city]),
            long=_near(rng, np.array([long for _, _, long, _ in words.CITIES])[city]),
            activity=spread(rng, _ACTIVITY, CUSTOMERS),
        )


@dataclass(frozen=True)
class Products:
    """Products as columns; `category` and the others index into the words; prices are whole."""

    ids: Ints
    category: Ints
    price: Ints
    popularity: Floats
    colour: Ints
    season: Ints
    usage: Ints
    gender: Ints
    year: Ints
    brand: Ints
    nameless: Ints

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Products":
        """Draw the shop's products."""
        category = pick(rng, spread(rng, _POPULARITY, len(CATEGORIES)), PRODUCTS)
        department = np.array([list(words.DEPARTMENTS).index(level1) for level1, _, _ in CATEGORIES])[
            category
        ]
        price = np.zeros(PRODUCTS, dtype=np.int64)
        for index, quantiles in enumerate(words.PRICES.values()):
            mine = department == index
            price[mine] = spread(rng, quantiles, int(mine.sum())).astype(np.int64)
        return cls(
            ids=np.sort(rng.choice(_LARGEST_PRODUCT_ID, PRODUCTS, replace=False)) + 1,
            category=category,
            price=price,
            popularity=spread(rng, _POPULARITY, PRODUCTS),
            colour=pick(rng, words.COLOUR_WEIGHTS, PRODUCTS),
            season=pick(rng, words.SEASON_WEIGHTS, PRODUCTS),
            usage=pick(rng, words.USAGE_WEIGHTS, PRODUCTS),
            gender=pick(rng, words.GENDER_WEIGHTS, PRODUCTS),
            year=rng.integers(2011, 2024, PRODUCTS),
            brand=rng.integers(len(words.BRANDS), size=PRODUCTS),
            nameless=chance(rng, _NAMELESS, PRODUCTS).astype(np.int64),
        )


CATEGORIES = tuple(
    (level1, level2, level3)
    for level1, below in words.DEPARTMENTS.items()
    for level2, leaves in below.items()
    for level3 in leaves
)


def category_id(index: int) -> str:
    """The id of a category in category.csv and product.csv."""
    return str(_FIRST_CATEGORY_ID + index)


def _near(rng: np.random.Generator, place: Ints) -> Ints:
    return place + rng.integers(-90_000, 90_001, len(place))
