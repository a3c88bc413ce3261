"""The vocabulary: plain frozen values and the arrays that learners are fed; no input or output."""
