"""Give a thread one block of memory that is large enough for all its Python frames.

Python stores the frames of a thread in blocks of 16 KB, which is enough for about 100 nested calls. A request
has more nested calls, through middlewares and templates. If a loop runs where a block is full, each call in
the loop asks the operating system for a new block. After the call, the block is given back. The page of a
visit spent over a quarter of its time on these blocks.
"""

# The number of values, of 8 bytes each, in the frame of `call_with_large_frame`. Python doubles the size of a
# block until the frame fits. So this frame gets a block of 256 KB, of which 120 KB are free for other frames.
# Pages need 20 KB. Unused memory costs nothing.
VALUES = 16_500


def call_with_large_frame(function, *args):
    """Call the function and return its result. The frames of all nested calls are in one block."""
    return function(*args)


call_with_large_frame.__code__ = call_with_large_frame.__code__.replace(co_stacksize=VALUES)
