"""The page `auto.html`: the room through the strategy `auto`."""

from demo.room_page import RoomPage

RoomPage("auto").open()
