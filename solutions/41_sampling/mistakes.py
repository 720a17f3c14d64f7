from grader.course import mistake
