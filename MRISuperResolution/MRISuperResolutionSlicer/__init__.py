"""What the Slicer module is made of: from nodes of the scene, through the command line in a child process, back.

    checks       which nodes can be worked on
    exchange     nodes to files and files to voxels, a little at a time
    child        the command line in a process of its own
    later        something to do when the event loop turns next
    asking       what is asked for, and what is wrong with it
    job          one Apply, from the check to the new node
    results      the new nodes
    doubts       where not to trust a result: the volumes that tell it
    colouring    and their colours
    comparison   the slice views after Apply
    models       the models that the panel offers
    choices      the other choices of the panel
    outlook      what a run will cost
    panel        the widgets, kept in step with the parameter node
    speed        how fast this machine was, for the time that is told beforehand
    packages     torch inside Slicer
    sample_data  a phantom to try
    self_test    what the module's own test measures

Only these files and the module know Slicer; the numbers are the library's, which knows nothing of it.
"""
