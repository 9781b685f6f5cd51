"""Why a file is rejected, or one of its pages or tasks given up: codes and remedies."""

from docmill.domain.errors import Permanent


class Rejection(Permanent):
    """The file itself cannot be read; the document ends `rejected`."""


class EmptyFile(Rejection):
    """The file has no bytes."""

    code = "empty_file"
    remedy = "Upload the file again; it arrived empty."


class UnsupportedType(Rejection):
    """The bytes are of no supported format, whatever the declared type says."""

    code = "unsupported_type"
    remedy = "Upload a PDF, PNG, JPEG, TIFF, WebP or BMP file."


class CorruptFile(Rejection):
    """The file is truncated or damaged."""

    code = "corrupt_file"
    remedy = "Open the file, save it again and upload the copy."


class EncryptedPdf(Rejection):
    """The PDF asks for a password."""

    code = "encrypted_pdf"
    remedy = "Upload a copy without a password."


class TooManyPages(Rejection):
    """The document has more pages than the tenant may send at once."""

    code = "too_many_pages"
    remedy = "Split the document, or ask for a larger page limit."


class TooManyPixels(Rejection):
    """A page is larger than the pixel budget; nothing of it was decoded."""

    code = "too_many_pixels"
    remedy = "Scale the image down or scan at a lower resolution."


class PageOutOfRange(Rejection):
    """None of the pages asked for exists."""

    code = "page_out_of_range"
    remedy = "Ask for pages that the document has."


class Unreadable(Rejection):
    """Looking into the file crashed, ran out of memory or took too long, each time."""

    code = "unreadable"
    remedy = "Open the file, save or print it to a new PDF and upload that."


class UnknownLanguage(Rejection):
    """A language asked for is not installed."""

    code = "unknown_language"
    remedy = "Ask for installed languages only, or have the language pack installed."


class PageUnreadable(Permanent):
    """One page cannot be decoded; its siblings go on."""

    code = "page_unreadable"
    remedy = "Check that page in a viewer; save the file again."


class TooSlow(Permanent):
    """The task ran past its deadline twice."""

    code = "too_slow"
    remedy = "Simplify the page or raise the deadline."


class Crashed(Permanent):
    """The task killed its process each time it ran, the last time alone."""

    code = "crash"
    remedy = "Open the file, save or print it to a new PDF and upload that."


class TimedOut(Permanent):
    """The run was open for longer than allowed."""

    code = "timed_out"
    remedy = "Ask for a new run; tell the operator if it happens again."


class MissingOriginal(Permanent):
    """The stored file is gone."""

    code = "missing_original"
    remedy = "Upload the file again."


class AttemptsSpent(Permanent):
    """The task failed as often as it may."""

    code = "attempts_spent"
    remedy = "Ask for a new run; tell the operator if it happens again."
