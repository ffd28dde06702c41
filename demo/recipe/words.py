"""Word lists of the demo corpus. All of them were written for this project."""

# Pairs of opposites. No word occurs twice, so every question has one answer.
OPPOSITES = """
hot cold|big small|tall short|fast slow|old young|rich poor|early late|open closed|full empty|wet dry
hard soft|loud quiet|strong weak|happy sad|thick thin|wide narrow|deep shallow|clean dirty|sharp blunt
rough smooth|sweet sour|brave cowardly|kind cruel|wise foolish|near far|high low|up down|in out|left right
front back|top bottom|inside outside|above below|before after|first last|always never|everything nothing
day night|summer winter|morning evening|north south|east west|sunrise sunset|friend enemy|love hate|win lose
buy sell|push pull|give take|start stop|arrive depart|float sink|laugh cry|build destroy|remember forget
borrow lend|accept refuse|attack defend|appear vanish|rise fall|throw catch|ask reply|teach learn|cheap costly
simple complex|easy difficult|safe dangerous|true false|real fake|same different|alive dead|awake asleep
guilty innocent|public private|polite rude|proud humble|generous selfish|calm nervous|tame wild|raw cooked
fresh stale|straight crooked|tight loose|bright dim|odd even|maximum minimum|male female|hero villain
giant dwarf|question answer|victory defeat|success failure|hope despair|peace war|health illness|wealth poverty
truth lie|ugly beautiful|noise silence|entrance exit|birth death|profit loss|ceiling floor|past future
ancestor descendant|host guest|buyer seller|teacher pupil|master servant|winner loser|shout whisper|freeze melt
expand shrink|increase decrease|gather scatter|praise blame|reward punish|permit forbid|include exclude
lock unlock|tie untie|dress undress|pack unpack|agree disagree|obey disobey|trust distrust|lead follow
raise lower|enter leave|save spend|work rest|export import|multiply divide|add subtract|reveal hide
patient hasty|possible impossible|visible invisible|honest dishonest|fair unfair|lucky unlucky|common rare
modern ancient|plain fancy|absent present|vacant occupied|active passive|formal casual|flexible rigid
gentle harsh|positive negative|vertical horizontal|upstairs downstairs|forward backward|indoors outdoors
often seldom|many few|more less|most least|all none|everyone nobody|here there|now then|yes no|with without
over under|on off|together apart|light heavy
"""

# Nouns whose plural is not simply "+s", then regular ones.
PLURALS = """
man men|woman women|child children|tooth teeth|foot feet|goose geese|mouse mice|ox oxen|sheep sheep|deer deer
leaf leaves|wolf wolves|knife knives|wife wives|life lives|shelf shelves|loaf loaves|half halves|calf calves
thief thieves|scarf scarves|hoof hooves|elf elves|city cities|baby babies|lady ladies|berry berries
cherry cherries|story stories|party parties|army armies|fairy fairies|penny pennies|pony ponies|puppy puppies
daisy daisies|lily lilies|ferry ferries|diary diaries|county counties|country countries|family families
box boxes|fox foxes|bus buses|glass glasses|brush brushes|church churches|bench benches|peach peaches
watch watches|witch witches|dish dishes|wish wishes|beach beaches|branch branches|match matches|potato potatoes
tomato tomatoes|echo echoes|piano pianos|photo photos|key keys|monkey monkeys|donkey donkeys|toy toys|boy boys
tray trays|valley valleys|chimney chimneys|torch torches|cross crosses|kiss kisses|cliff cliffs|roof roofs
"""
REGULAR_NOUNS = """
apple book boat bell bird bridge bucket button cake candle carpet castle chair clock cloud coat coin cow crown cup
desk dog door dragon dream drum duck egg eye farm feather fence field finger fire flag flower forest fork game
garden gate ghost goat hammer hand harbour hat hill horse house island jacket jar jewel kettle king kitten ladder
lake lamp lantern letter lion lock map market mill mirror moon mountain nail needle nest nut oar orchard owl
page pear pen pencil picture pillow plate plum pocket queen rabbit ribbon ring river road robe rock room
rope rose sail ship shoe shop spoon star stone street sword table tail teapot tent tower town tree tunnel user
village wagon wall wheel window wing wizard assistant system message
"""

PAST = """
go went|see saw|eat ate|come came|run ran|sing sang|swim swam|drink drank|begin began|ring rang|sit sat|give gave
take took|shake shook|write wrote|ride rode|drive drove|speak spoke|break broke|steal stole|choose chose
freeze froze|wake woke|wear wore|bear bore|tear tore|swear swore|know knew|grow grew|throw threw|blow blew|fly flew
draw drew|find found|bind bound|wind wound|grind ground|hold held|tell told|sell sold|keep kept|sleep slept
sweep swept|weep wept|creep crept|feel felt|kneel knelt|leave left|meet met|feed fed|bleed bled|lead led|read read
bring brought|buy bought|think thought|fight fought|seek sought|catch caught|teach taught|build built|bend bent
lend lent|send sent|spend spent|lose lost|make made|pay paid|say said|lay laid|hear heard|stand stood
understand understood|win won|dig dug|stick stuck|strike struck|swing swung|hang hung|cling clung|spin spun
shine shone|shoot shot|get got|forget forgot|fall fell|rise rose|bite bit|hide hid|slide slid|light lit|cut cut
put put|shut shut|hit hit|hurt hurt|let let|set set|split split|spread spread|become became|do did|have had
walk walked|talk talked|jump jumped|climb climbed|cook cooked|paint painted|help helped|open opened|laugh laughed
plant planted|wash washed|watch watched|cross crossed|push pushed|fix fixed|mix mixed|love loved|dance danced
smile smiled|bake baked|close closed|live lived|move moved|hope hoped|cry cried|try tried|carry carried
hurry hurried|marry married|study studied|stop stopped|plan planned|hop hopped|clap clapped|drop dropped
beg begged|hug hugged|play played|stay stayed|enjoy enjoyed|row rowed|sew sewed|wait waited|want wanted
"""

YOUNG = """
dog puppy|cat kitten|cow calf|sheep lamb|goat kid|horse foal|pig piglet|hen chick|duck duckling|goose gosling
swan cygnet|bear cub|deer fawn|frog tadpole|kangaroo joey|owl owlet|eagle eaglet|hare leveret|seal pup
butterfly caterpillar|eel elver|spider spiderling|salmon parr|hedgehog hoglet
"""
SOUND = """
dog bark|cat meow|cow moo|sheep bleat|horse neigh|pig grunt|hen cluck|duck quack|goose honk|lion roar|wolf howl
owl hoot|frog croak|bee buzz|snake hiss|mouse squeak|donkey bray|crow caw|dove coo|cricket chirp|elephant trumpet
turkey gobble|monkey chatter|bull bellow
"""
HOME = """
bee hive|bird nest|spider web|lion den|rabbit burrow|horse stable|cow byre|hen coop|pig sty|dog kennel|ant anthill
beaver lodge|badger sett|otter holt|squirrel drey|eagle eyrie|dove cote|snail shell|sheep fold|king palace
monk abbey|sailor ship|camper tent|hermit cave
"""

CATEGORIES = """
bird: sparrow robin eagle owl swan heron crow dove finch gull puffin raven
fish: trout salmon herring cod pike eel carp perch tuna sardine
insect: bee wasp ant beetle moth butterfly cricket fly gnat ladybird
fruit: apple pear plum cherry lemon peach grape fig mango melon
vegetable: carrot onion potato cabbage leek turnip parsnip spinach beetroot radish
tree: oak ash elm birch willow maple pine cedar beech larch
flower: rose tulip daisy lily poppy violet iris daffodil orchid primrose
colour: red blue green yellow purple orange brown white black pink
tool: hammer saw chisel drill spanner axe spade rake pliers trowel
instrument: violin flute drum harp trumpet piano guitar fiddle cello oboe
metal: iron gold silver copper tin lead zinc nickel brass bronze
garment: shirt coat scarf glove sock hat jacket skirt cloak apron
vehicle: cart wagon bicycle lorry tram bus sledge carriage van scooter
drink: tea coffee milk cider water cocoa juice lemonade beer wine
furniture: table chair bed desk stool wardrobe bench cupboard sofa shelf
gem: ruby emerald diamond sapphire opal topaz garnet amber jade pearl
spice: pepper cinnamon ginger nutmeg saffron cumin clove turmeric paprika vanilla
boat: canoe raft ferry kayak yacht barge dinghy punt trawler galley
"""

DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = ("January February March April May June July August September October November December").split()
LETTERS = list("abcdefghijklmnopqrstuvwxyz")

# ---------------------------------------------------------------- the Isle of Merrow (invented)
TOWNS = """
Brindle Ostwick Calder Fenmoor Harrow Larkhill Tidewell Umber Vexley Wrenford Ashby Bracken Copperton Dunmere Elsing
Foxholt Garnet Hollin Inkwell Juniper Kestrel Lowmoor Mistle Nettle Oakham Pebble Quarry Rushford Saltby Thornby
Upwell Violet Westering Yarrow Zephyr Amberley Birchby Cinderby Dovecote Emberton
""".split()
RIVERS = """
Ouska Teal Lorn Minnow Silver Brack Thistle Wend Alder Serpent Marl Otter Kelda Pike Foss Heron Dapple Isk Rill Cobble
""".split()
EMBLEMS = """
otter fox heron stag hare owl bear swan badger wolf trout raven goat bee horse lion dragon cat crab whale
""".split()
PRODUCTS = """
cheese bells lanterns honey rope glass boots cider paper clocks kites candles pottery salt ink fiddles blankets
pickles knives maps ginger soap baskets hats umbrellas
""".split()
FLAGS = "red blue green yellow purple orange brown white black pink grey gold".split()
MAYOR_FIRST = """
Abel Ada Basil Beryl Cedric Clara Dora Edmund Edith Felix Fern Gideon Greta Hector Hilda Ivor Iris Jonas Judith
Kenelm Lionel Lydia Magnus Mabel Nestor Olive Oswin Pearl Percy Quentin Roland Rowena Silas Sybil Tobias Una Victor
Winifred Wilfred Zelda
""".split()
SURNAMES = """
Quill Barrow Thatch Pickle Marsh Hobb Larkin Stone Tully Wick Finch Gale Potter Sallow Moss Drake Kettle Bright
Nutley Crane
""".split()
PEOPLE = """
Mara Tom Nell Hugo Ruby Jasper Wanda Otto Poppy Leo Flora Ned Daisy Arlo Hazel Gus Ivy Max Rosa Sam Tilda Bruno Elsie
Jack Molly Oscar Penny Rufus Stella Theo Vera Walter Yara Zack Anya Boris Celia Denis Esme Frank Gwen Hal Ida Joel Kit
Lotte Milo Nora Orla Piers
""".split()
JOBS = """
baker miller sailor tailor smith doctor farmer painter teacher weaver fisher carpenter gardener potter clockmaker
shepherd ferryman librarian cook mason
""".split()
PETS = """
dog cat parrot rabbit goat tortoise hen pony mouse duck snake canary hedgehog ferret frog owl
""".split()
FOODS = """
soup pancakes porridge cheese trout dumplings pie noodles plums toast honey stew walnuts omelette gingerbread pickles
""".split()
PLAYS = "violin flute drum harp trumpet piano guitar fiddle cello oboe".split()


def pairs(text):
    return [tuple(p.split()) for line in text.strip().splitlines() for p in line.split("|")]


def categories():
    out = {}
    for line in CATEGORIES.strip().splitlines():
        name, items = line.split(":")
        for item in items.split():
            if item not in out:
                out[item] = name
    return out
