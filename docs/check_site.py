"""Say what is broken in the pages that ``make docs`` has built, and fail if anything is.

    python docs/check_site.py build/docs

Every local link, anchor, image, script and style must be there, and none may come from elsewhere,
so that pages work without a network. Where a Chromium is installed it opens every page too, and
reports what it could not load or run.
"""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADED = {"img": "src", "script": "src", "link": "href", "source": "src", "iframe": "src"}


class Page(HTMLParser):
    """Anchors of a page, what it links to, and what it loads."""

    def __init__(self, path):
        super().__init__()
        self.path, self.anchors, self.links, self.loaded = path, {"", "top"}, [], []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        """Note where a tag points, and what it is called."""
        found = dict(attributes)
        self.anchors |= {found[name] for name in ("id", "name") if found.get(name)}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        source = found.get(_LOADED.get(tag, ""))
        if source and found.get("rel") not in ("canonical", "search", "next", "prev"):
            self.loaded.append(source)


def main(folder):
    """Return complaints about the pages of a folder."""
    paths = [path.resolve() for path in Path(folder).rglob("*.html")]
    # Templates of the theme are no pages.
    pages = {path: Page(path) for path in paths if "_static" not in path.parts}
    complaints = [text for page in pages.values() for text in broken(page, pages)]
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(partial(failures, browser), pages if browser else ()):
            complaints += found
    seen = f"opened by {Path(browser).name}" if browser else "no Chromium to open them with"
    print(f"{len(pages)} pages, {seen}: {len(complaints)} complaints")
    return complaints


def broken(page, pages):
    """Yield links of a page that lead nowhere."""
    for target in page.links + page.loaded:
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            if target in page.loaded and parts.scheme != "data":
                yield f"{page.path}: loads {target} from elsewhere"
            continue
        path = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
        path = path.resolve()
        if not path.exists():
            yield f"{page.path}: {target} is not there"
        elif path in pages and unquote(parts.fragment) not in pages[path].anchors:
            yield f"{page.path}: {target} has no such anchor"


def failures(browser, page):
    """Return what a browser reports of a page: errors of scripts, files and pictures."""
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    command += ["--v=0", "--virtual-time-budget=5000", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if "</html>" not in done.stdout:
        return [f"{page}: not shown"]
    lines = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return [f"{page}: {json.dumps(line)}" for line in lines if "error" in line.lower()]


if __name__ == "__main__":
    found = main(sys.argv[1])
    print(*found, sep="\n")
    sys.exit(bool(found))
