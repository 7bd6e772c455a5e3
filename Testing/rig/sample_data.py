"""``import SampleData``: sources are noted; nothing comes from the net.

A click on a sample calls ``source.customDownloader(source)``.
"""

from types import ModuleType

import slicer


class SampleDataSource:
    """What Slicer keeps of a sample: most fields are lists, one entry a file."""

    def __init__(
        self,
        sampleName=None,
        sampleDescription=None,
        uris=None,
        fileNames=None,
        nodeNames=None,
        checksums=None,
        loadFiles=None,
        customDownloader=None,
        thumbnailFileName=None,
        loadFileTypes=None,
        loadFileProperties=None,
        loadFileType=None,
    ):
        if loadFileType is not None:
            raise NotImplementedError("the rig has no loadFileType, which is deprecated: use loadFileTypes")
        self.sampleName = sampleName
        self.sampleDescription = sampleName if sampleDescription is None else sampleDescription
        self.thumbnailFileName = thumbnailFileName
        self.customDownloader = customDownloader
        self.loadFileProperties = {} if loadFileProperties is None else loadFileProperties
        lists = {
            "fileNames": fileNames,
            "nodeNames": nodeNames,
            "loadFiles": loadFiles,
            "loadFileTypes": loadFileTypes,
            "checksums": checksums,
        }
        if isinstance(uris, str):
            uris, lists = [uris], {name: [value] for name, value in lists.items()}
        for name, values in lists.items():
            if name == "loadFileTypes" and (values is None or isinstance(values, str)):
                values = [values] * len(uris)
            elif name != "fileNames" and values is None:
                values = [None] * len(uris)
            if len(values) != len(uris):
                raise ValueError(f"{sampleName}: {len(uris)} uris but {len(values)} {name}")
            setattr(self, name, values)
        self.uris = uris

    def __eq__(self, other):
        return isinstance(other, SampleDataSource) and vars(self) == vars(other)

    __hash__ = None


class SampleDataLogic:
    """The part of the logic that modules use to make their samples known."""

    @staticmethod
    def registerCustomSampleDataSource(
        category="Custom",
        sampleName=None,
        uris=None,
        fileNames=None,
        nodeNames=None,
        customDownloader=None,
        thumbnailFileName=None,
        loadFileTypes=None,
        loadFiles=None,
        loadFileProperties=None,
        checksums=None,
        loadFileType=None,
    ):
        source = SampleDataSource(
            sampleName=sampleName,
            uris=uris,
            fileNames=fileNames,
            nodeNames=nodeNames,
            customDownloader=customDownloader,
            thumbnailFileName=thumbnailFileName,
            loadFileTypes=loadFileTypes,
            loadFiles=loadFiles,
            loadFileProperties=loadFileProperties,
            checksums=checksums,
            loadFileType=loadFileType,
        )
        if not hasattr(slicer.modules, "sampleDataSources"):
            slicer.modules.sampleDataSources = {}
        sources = slicer.modules.sampleDataSources.setdefault(category, [])
        if source not in sources:
            sources.append(source)

    @staticmethod
    def sampleDataSourcesByCategory(category=None):
        sources = getattr(slicer.modules, "sampleDataSources", {})
        return sources if category is None else sources.get(category, [])


def make_module():
    """The module ``SampleData``."""
    module = ModuleType("SampleData")
    module.SampleDataSource = SampleDataSource
    module.SampleDataLogic = SampleDataLogic
    return module
