"""compare.py EXPECTED.npz PRINTED: the numbers that an example printed, one a line, are the first array of the archive."""
import sys

import numpy as np

expected = next(iter(np.load(sys.argv[1]).values())).ravel()
np.testing.assert_allclose(np.loadtxt(sys.argv[2]), expected, atol=2e-6)
