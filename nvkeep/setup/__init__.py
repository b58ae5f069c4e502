"""From nothing to running, on all hosts or on none.

`survey` looks at one host; `steps` changes one host, and takes it back; `rollout` lets every host do both, by ssh. What a host
does is the same command whether it is asked from here or from another one: `nvkeep setup --step ...`.
"""
