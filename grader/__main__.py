import sys

try:
    from grader.cli import main
except KeyboardInterrupt:
    sys.exit(130)
sys.exit(main())
