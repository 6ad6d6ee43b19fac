"""How the renderer's hot loops are compiled.

`_nrt=False` leaves out numba's reference counting: a kernel may not allocate, but calls between kernels
cost nothing. With it, every call that passes arrays pays an atomic add and subtract per array, which made
shading 4 times slower (measured; 110,000 calls a picture).
"""

from typing import Any

import numba

_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "fastmath": True, "_nrt": False}

kernel = numba.njit(**_OPTIONS)
inlined = numba.njit(inline="always", **_OPTIONS)
