"""Pages in scripts that run to the left or put no spaces between words, with known text."""

from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from docmill.testing.pictures import Sheet

# Of packages that set-up installs: fonts-dejavu-core and fonts-wqy-microhei.
_DEJAVU: Final = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
_WQY: Final = "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc"
_PAPER: Final = 250
_INK: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """A text in one language, line by line."""

    language: str
    script: str  # as tesseract names it
    font: str
    lines: tuple[str, ...]
    to_the_left: bool = False

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


ARABIC: Final = Writing(
    language="ara",
    script="Arabic",
    font=_DEJAVU,
    to_the_left=True,
    lines=(
        "القراءة مفتاح المعرفة والكتاب خير صديق",
        "كتب التلميذ الدرس في دفتره الجديد",
        "سافر التاجر إلى المدينة في الصباح",
        "وصلت الرسالة إلى بيت الكاتب أمس",
        "تفتح المكتبة أبوابها كل يوم للزوار",
        "شرب الأطفال الماء البارد من البئر",
        "يزور الطبيب أهل القرية كل أسبوع",
        "زرع الفلاح القمح في الحقل الواسع",
    ),
)
HEBREW: Final = Writing(
    language="heb",
    script="Hebrew",
    font=_DEJAVU,
    to_the_left=True,
    lines=(
        "הספרייה פתוחה בכל יום מהבוקר עד הערב",
        "הילדים קראו ספר חדש בגן הגדול",
        "המכתב הגיע לביתו של הסופר אתמול",
        "הרופא עובד בבית החולים ליד הנהר",
        "האיכר זרע חיטה בשדה הרחב שלו",
        "הסוחר נסע אל העיר בשעת הבוקר",
        "התלמיד כתב את השיעור במחברת",
        "השעון בכיכר תמיד מאחר מעט",
    ),
)
CHINESE: Final = Writing(
    language="chi_sim",
    script="Han",
    font=_WQY,
    lines=(
        "图书馆每天从早上开到晚上。",
        "孩子们在花园里读了一本新书。",
        "这封信昨天寄到了作家的家里。",
        "医生在河边的大医院里工作。",
        "农民在宽阔的田里种了小麦。",
        "商人早上坐火车去了城市。",
        "学生把课文写在新的本子上。",
        "广场上的钟总是慢几分钟。",
    ),
)
JAPANESE: Final = Writing(
    language="jpn",
    script="Japanese",
    font=_WQY,
    lines=(
        "図書館は毎日朝から夜まで開いています。",
        "子供たちは庭で新しい本を読みました。",
        "手紙は昨日、作家の家に届きました。",
        "医者は川のそばの大きな病院で働いています。",
        "農夫は広い畑に小麦をまきました。",
        "商人は朝、汽車で町へ行きました。",
        "学生は新しいノートに作文を書きました。",
        "広場の時計はいつも少し遅れています。",
    ),
)
WRITINGS: Final = (ARABIC, HEBREW, CHINESE, JAPANESE)


def page(writing: Writing, *, dpi: int = 200, points: float = 16) -> Image.Image:
    """Return a page with the lines, set against the side on which they begin."""
    sheet = Sheet(dpi=dpi, points=points)
    image = Image.new("L", sheet.size, _PAPER)
    pen, face = ImageDraw.Draw(image), ImageFont.truetype(writing.font, points * dpi / 72)
    x, anchor = (
        (sheet.size[0] - sheet.margin, "ra") if writing.to_the_left else (sheet.margin, "la")
    )
    for number, line in enumerate(writing.lines):
        y = sheet.margin + number * round(points * dpi / 72 * 1.8)
        pen.text((x, y), line, fill=_INK, font=face, anchor=anchor)
    return image
