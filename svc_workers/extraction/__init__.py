"""What a document says, without its markup: blocks in reading order, from Markdown, HTML or plain text."""

from svc_workers.extraction.blocks import Block, Extracted, Unreadable
from svc_workers.extraction.media import extract

__all__ = ["Block", "Extracted", "Unreadable", "extract"]
