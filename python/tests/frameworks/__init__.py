"""The same application in several frameworks, as the users of each write it, protected by nen."""
