"""A rig that runs a scripted module of 3D Slicer without the Slicer application.

Real here: the MRML scene, its nodes and logics and ``slicer.util`` (the wheel slicer-core), Qt's widgets, event loop
and processes (PySide6, offscreen). What only the application has is a stand-in as small as can be. A stand-in behaves
like the real thing, traps included, and refuses by an exception that names it whatever it does not implement.

    pythonqt        import qt: PySide6 with the attributes that PythonQt gives to Qt's objects
    widgets         import ctk; slicer.qMRMLWidget
    node_selector   slicer.qMRMLNodeComboBox
    scene           slicer.mrmlScene with what an application's scene holds
    application     slicer.app, slicer.modules
    modules         slicer.ScriptedLoadableModule, and the C++ objects that own a module and its panel
    parameters      slicer.parameterNodeWrapper; gui_connectors ties its parameters to widgets
    dialogs         message boxes that note what was said and give the answer that the test has laid ready
    packages        slicer.packaging, PyTorchUtils, and packages that are missing for as long as a test wants
    sample_data     import SampleData
    translation     slicer.i18n
    launcher        PythonSlicer on PATH
    events          the event loop, and exceptions that nobody caught
    desk            all of it together: what a test holds in its hands
    fixtures        the pytest fixtures

Importing this package changes nothing; the fixture ``slicer_rig`` starts it, once a session.
"""
