"""The vocabulary of the generated shop."""

FIRST_NAMES = {
    "F": (
        "Ayu", "Dewi", "Siti", "Putri", "Rina", "Wulan", "Intan", "Maya", "Lestari", "Kartika", "Zoë",
        "Chloé", "Amelia", "Olivia", "Grace", "Mei", "Priya", "Anh", "Noor", "Fatima", "Hana", "Sofia",
        "Ingrid", "Aoife",
    ),
    "M": (
        "Budi", "Agus", "Eko", "Joko", "Rizky", "Bayu", "Dimas", "Hendra", "Yusuf", "Fajar", "José", "Søren",
        "Jack", "Liam", "Noah", "Wei", "Arjun", "Minh", "Omar", "Tariq", "Kenji", "Mateo", "Lars", "Ciarán",
    ),
}  # fmt: skip
LAST_NAMES = (
    "Wijaya", "Santoso", "Saputra", "Hidayat", "Nugroho", "Siregar", "Halim", "Tanaka", "Kusuma", "Setiawan",
    "O'Brien", "Nguyễn", "Müller", "García", "Singh", "Chen", "Smith", "Taylor", "Walker", "Rahman", "Park",
    "Kowalski", "Rossi", "Haddad", "Lim", "Gunawan", "Pratama", "Simanjuntak", "van Dijk", "Åkesson",
)  # fmt: skip
MAIL_HOSTS = ("example.com", "example.org", "mail.example.net")

CITIES = (
    # latitude and longitude in millionths of a degree, share of customers
    ("Jakarta", -6_208_800, 106_845_600, 30),
    ("Surabaya", -7_257_500, 112_752_100, 13),
    ("Bandung", -6_917_500, 107_619_100, 11),
    ("Medan", 3_595_200, 98_672_200, 9),
    ("Semarang", -6_966_700, 110_416_700, 8),
    ("Makassar", -5_147_700, 119_432_700, 7),
    ("Palembang", -2_976_100, 104_775_400, 6),
    ("Denpasar", -8_670_500, 115_212_600, 6),
    ("Yogyakarta", -7_795_600, 110_369_500, 6),
    ("Manado", 1_474_800, 124_842_100, 4),
)
REMOTE = ((-10_900_000, 3_800_000), (126_500_000, 140_900_000))
"""Between which latitudes and longitudes an unusual place lies."""

DEPARTMENTS: dict[str, dict[str, tuple[str, ...]]] = {
    "Apparel": {
        "Topwear": ("Shirts", "Tshirts", "Jackets", "Sweaters", "Kurtas", "Tops", "Sweatshirts", "Waistcoat"),
        "Bottomwear": ("Jeans", "Shorts", "Trousers", "Track Pants", "Skirts", "Leggings", "Capris"),
        "Dress": ("Dresses", "Jumpsuit"),
        "Loungewear": ("Night suits", "Lounge Pants", "Robe"),
        "Innerwear": ("Briefs", "Trunk", "Camisoles"),
    },
    "Accessories": {
        "Bags": ("Handbags", "Backpacks", "Clutches", "Duffel Bag", "Laptop Bag"),
        "Watches": ("Watches", "Smart Bands"),
        "Jewellery": ("Earrings", "Pendant", "Ring", "Bracelet"),
        "Eyewear": ("Sunglasses",),
        "Wallets": ("Wallets", "Belts", "Card Holders"),
        "Headwear": ("Caps", "Scarves"),
    },
    "Footwear": {
        "Shoes": ("Casual Shoes", "Sports Shoes", "Formal Shoes", "Heels", "Flats"),
        "Sandal": ("Sandals", "Flip Flops", "Sports Sandals"),
    },
    "Personal Care": {
        "Fragrance": ("Perfume and Body Mist", "Deodorant"),
        "Skin": ("Face Wash", "Sunscreen"),
        "Lips": ("Lipstick", "Lip Gloss"),
    },
    "Sporting Goods": {"Sports Equipment": ("Basketballs", "Footballs", "Water Bottle")},
    "Home": {"Home Furnishing": ("Cushion Covers",)},
}
PRICES = {
    # quantiles of a product's price
    "Apparel": (45_000, 110_000, 160_000, 220_000, 310_000, 480_000, 1_200_000),
    "Accessories": (30_000, 90_000, 180_000, 320_000, 650_000, 1_500_000, 4_500_000),
    "Footwear": (60_000, 180_000, 260_000, 350_000, 520_000, 900_000, 2_200_000),
    "Personal Care": (20_000, 45_000, 70_000, 110_000, 170_000, 300_000, 700_000),
    "Sporting Goods": (25_000, 60_000, 110_000, 180_000, 260_000, 420_000, 900_000),
    "Home": (20_000, 50_000, 80_000, 120_000, 180_000, 260_000, 500_000),
}
BRANDS = (
    "Northwind", "Puncak", "Laut Biru", "Kinetik", "Tjap Daun", "Meridian", "Oakline", "Senja", "Rimba",
    "Atlas & Co", "Solara", "Merapi", "Halcyon", "Brisa", "Kopi Pagi", "Undergrid",
)  # fmt: skip
COLOURS = ("Black", "White", "Navy Blue", "Blue", "Brown", "Grey", "Red", "Green", "Pink", "Olive", "NA", "")
COLOUR_WEIGHTS = (22, 14, 12, 11, 9, 9, 7, 5, 5, 3, 2, 1)
SEASONS = ("Summer", "Fall", "Winter", "Spring", "NA")
SEASON_WEIGHTS = (45, 25, 18, 11, 1)
USAGES = ("Casual", "Sports", "Ethnic", "Formal", "Party", "NA", "")
USAGE_WEIGHTS = (70, 10, 8, 7, 2, 2, 1)
GENDERS = ("Men", "Women", "Unisex", "Boys", "Girls")
GENDER_WEIGHTS = (42, 38, 10, 5, 5)

EVENT_TYPES = ("HP", "CL", "VI", "VP", "VC", "SER", "SCR", "ATC", "AP", "CO")
CHECK_OUT = EVENT_TYPES.index("CO")
ADD_TO_CART = EVENT_TYPES.index("ATC")
TRAFFIC = ("MOBILE", "WEB")
DEVICES = (("ANDROID", "IOS"), ("WINDOWS", "MAC", "LINUX"))
PAYMENTS = ("Credit Card", "Gopay", "OVO", "Debit Card", "LinkAja")
PROMO_CODES = (
    "AZ2022", "BUYMORE", "WEEKENDSERU", "XX2022", "LIBURDONG", "STAYHOME", "PAYDAY", "RAMADAN24", "NEWUSER10",
)  # fmt: skip
