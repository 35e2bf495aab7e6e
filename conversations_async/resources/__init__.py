"""The resources of the Conversations API, one module each: enums, models, repository."""
