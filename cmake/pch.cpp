// Exists to give the shared precompiled header a target.
