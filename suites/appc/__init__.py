"""Suite appc: images of the App Container specification, and what an executor gives the apps in them."""
