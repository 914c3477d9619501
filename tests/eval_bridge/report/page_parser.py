"""Reads a page as a browser would, strictly."""

import html.parser
import re


class Page(html.parser.HTMLParser):
    """Counts tags, checks that they nest, and collects addresses and the text."""

    VOID = frozenset({"meta", "img", "br", "link", "rect", "line", "circle", "path"})

    def __init__(self, source):
        super().__init__()
        self.open, self.count, self.addresses, self.words = [], {}, [], []
        self.feed(source)
        assert self.open == []
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attributes):
        self.count[tag] = self.count.get(tag, 0) + 1
        self.addresses += [value for name, value in attributes if name in ("src", "href", "poster")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.count[tag] = self.count.get(tag, 0) + 1
        self.addresses += [value for name, value in attributes if name in ("src", "href", "poster")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)
