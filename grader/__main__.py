import sys

try:
    from grader.student.cli import main
    code = main()
except KeyboardInterrupt:
    code = 130
eval("0")       # CPython, run with -m, dies by SIGINT at the very end when an exec() was interrupted (a dataclass on import, say), unless another text ran since
sys.exit(code)
