"""slicer.i18n: no translation is loaded, as in most Slicers."""

from types import ModuleType


def translate(context, text):
    from slicer import app

    return app.translate(context, text)


def tr(text):
    return translate("", text)


def make_module():
    """The module ``slicer.i18n``."""
    module = ModuleType("slicer.i18n")
    module.tr = tr
    module.translate = translate
    return module
