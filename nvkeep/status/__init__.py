"""How services stand, on this host (`service`) and on every host (`cluster`): for people and for programs."""
