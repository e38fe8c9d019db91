"""Takes the pictures that an example has saved, for the gallery."""

import shutil
from pathlib import Path

from sphinx_gallery.scrapers import figure_rst


def _get_sg_image_scraper():
    return saved_pictures


def saved_pictures(block, block_vars, gallery_conf):
    """Return reST that shows what lies in the folder ``build`` beside the example."""
    shown = []
    for picture in sorted(Path(block_vars["src_file"]).parent.glob("build/*.png")):
        target = next(block_vars["image_path_iterator"])
        shutil.move(picture, target)
        shown.append(target)
    return figure_rst(shown, gallery_conf["src_dir"])
