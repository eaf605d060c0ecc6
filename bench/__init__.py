"""`make bench`: the scenario of a large machine, measured, beside plain aioca doing the same work in the same run."""
