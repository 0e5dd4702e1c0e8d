"""The sample room's members and messages."""

from dataclasses import dataclass

ALIAS = "demo"
ROOM_NAME = "Ridge walk and observatory evening"
ROOM_TOPIC = "Saturday's walk over the ridge to the Skarvholt observatory: route, weather, pictures"

# The account that the demonstration's pages sign in with.
DEMO = "demo"
ORGANISER = "marit"

# Display names by account name.
PEOPLE = {
    "marit": "Marit Solheim",
    "demo": "Robin Vale",
    "tomasz": "Tomasz Wójcik",
    "aoi": "佐藤 葵",
    "leila": "ليلى منصور",
    "eleni": "Ελένη Δούκα",
    "yulia": "Юлия Громова",
    "haneul": "김하늘",
    "ananya": "अनन्या राव",
    "kwame": "Kwame Boateng",
    "sian": "Siân Prydderch",
    "thordis": "Þórdís Björk",
    "mateo": "Mateo Ibáñez",
    "ngozi": "Ngozi Eze",
    "linh": "Nguyễn Thùy Linh",
    "oskar": "Oskar Lindqvist",
    "tamar": "תמר לוי",
    "giulia": "Giulia Ferrante",
    "wei": "陈思远",
    "joaquim": "Joaquim Teles",
    "nahia": "Nahia Etxeberria",
    "sinead": "Sinéad Ní Bhriain",
    "arman": "Արման Պետրոսյան",
    "pita": "Pita Tamahori",
}


@dataclass(frozen=True)
class Line:
    """One message of the conversation: a text, or a sample with ``words`` as its caption.

    :param encrypted: whether the sample is sent as an encrypted attachment.
    """

    sender: str
    words: str = ""
    sample: str = ""
    encrypted: bool = False


CONVERSATION = (
    Line(
        "marit",
        "Good morning, all! Today is the day: over the ridge, then the evening at the Skarvholt observatory. "
        "The forecast promises a clear sky until long after midnight.",
    ),
    Line("tomasz", sample="packing-list.txt"),
    Line("oskar", "The route, with the shorter way round for tired knees", "ridge-walk.gpx"),
    Line("yulia", "Packed. I added a second thermos, because we all remember what became of the first one last year."),
    Line("kwame", "From the car park at seven. Worth getting up for.", "ridge-morning.jpg"),
    Line("ananya", "We are ten minutes behind you, at the bridge. Don't wait, we'll catch up at the lake."),
    Line("leila", "صباح الخير! معي من الشاي ما يكفي الجميع."),
    Line("sian", "Fog in the spruces, and not a sound", "fog.jpg"),
    Line(
        "thordis", "Even quieter at the back of the line. A roe deer stood on the path and looked at us, quite unmoved."
    ),
    Line("aoi", "湖に着きました。The water is perfectly still.", "lake.jpg"),
    Line("haneul", "Lunch on the flat stones at the east shore. There is a place in the sun left for you, Ananya."),
    Line("joaquim", "Soup is warm, and the bread survived the climb!"),
    Line("nahia", "Above the tree line everything is in flower", "meadow.jpg"),
    Line("eleni", "Wild lupins, and the small yellow ones are arnica. I have never seen so many in one place."),
    Line("mateo", "While the rest of you were napping", "tune.mp3"),
    Line("ngozi", "You carried an instrument all the way up here? I take back every word about your rucksack."),
    Line("giulia", "Suddenly we were above the clouds", "clouds.jpg"),
    Line("demo", "That is the picture for next year's invitation. How long did it stay like that?"),
    Line(
        "giulia", "Five minutes at most. Then it rose, and we walked through it and could hear each other but not see."
    ),
    Line("linh", "Everybody is at the hut now, 24 of 24. Boots by the door, please, the floor has just been swept."),
    Line("tamar", "The last light, from the bench behind the hut", "sunset.jpg"),
    Line(
        "marit",
        "Plan for tonight:\n• 20:30 soup\n• 21:15 walk up to the dome, red lamps only\n"
        "• 21:45 Moon and Saturn\n• after that, lie on your back and look up",
    ),
    Line("arman", "The dome is open. Venus was first to come.", "dome.jpg"),
    Line(
        "sinead", "My eyes need twenty minutes to get used to the dark. Whoever has the white lamp: we love you, but."
    ),
    Line("oskar", "Through the small refractor, with a phone held to the eyepiece", "moon.png"),
    Line("tomasz", "The shadows along the edge! You can see that those mountains are real."),
    Line("haneul", "And this one is so small, but I gasped anyway", "saturn.png"),
    Line("ananya", "I queued three times. The third time the air was calm and there was a thin dark gap in the rings."),
    Line("yulia", "One hour, the camera on a stone, pointed at Polaris", "star-trails.jpg"),
    Line("kwame", "One hour in which you ate all the biscuits, as witnesses will confirm."),
    Line("aoi", "天の川。No moon any more, twenty seconds, wide lens.", "milky-way.png"),
    Line("leila", "ما شاء الله. I did not know one could see this with one's own eyes."),
    Line("arman", "The dome following the sky, fifty times faster", "dome.gif"),
    Line("eleni", "The whole day in 24 seconds, from the camera on the hut's windowsill", "film.mp4"),
    Line("demo", "I have watched this four times. The moment when the windows light up!"),
    Line("pita", "Once more, because I cannot stop looking at it", "milky-way.png"),
    Line("nahia", "Slept like a stone. Thank you for the blankets, and for the porridge this morning."),
    Line("joaquim", "Found at the hut: one grey glove, one spoon, and a very good mood."),
    Line("marit", "Thank you, all of you. The observatory asks whether we would come again for the Leonids."),
    Line("wei", "算我一个! Count me in. I'll bring the third thermos."),
    Line("linh", "For whoever comes up next. Encrypted, so not even the server can read it", "door-code.jpg", True),
)
