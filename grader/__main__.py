import sys

try:
    from grader.student.cli import main

    code = main()
except KeyboardInterrupt:
    code = 130
# CPython, run with -m, dies by SIGINT at the very end when an exec() was interrupted (a dataclass on import, say),
# unless another text ran since
eval("0")
sys.exit(code)
